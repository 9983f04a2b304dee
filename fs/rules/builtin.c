#include "rules/builtin.h"

/* `*.lock` means two things. Programs take locks under it, and package managers pin versions under
 * it: those are files that git, tar and cp create with O_EXCL when they unpack a project, and
 * losing one loses work. So each name that a package manager is known to write is data. A name
 * belongs here when it matches a lock glob and the tool behind it writes it as a file to be kept.
 */

/* clang-format off */
const BuiltinRule builtin_rules[] = {
    {RULE_LOCK, "*.lock"},
    {RULE_LOCK, "*.lck"},
    {RULE_LOCK, "*.lockdir"},

    /* Rust, and what is built on Cargo */
    {RULE_DATA, "Cargo.lock"},                /* Cargo */
    {RULE_DATA, "Cargo.Bazel.lock"},          /* crate_universe of rules_rust */
    {RULE_DATA, "Cargo-component.lock"},      /* cargo-component */

    /* JavaScript and TypeScript */
    {RULE_DATA, "yarn.lock"},                 /* Yarn */
    {RULE_DATA, "bun.lock"},                  /* Bun */
    {RULE_DATA, "deno.lock"},                 /* Deno */
    {RULE_DATA, "esy.lock"},                  /* esy: a directory that is checked in */
    {RULE_DATA, "*.esy.lock"},                /* esy, of a named sandbox */

    /* Python */
    {RULE_DATA, "poetry.lock"},               /* Poetry */
    {RULE_DATA, "Pipfile.lock"},              /* Pipenv */
    {RULE_DATA, "uv.lock"},                   /* uv */
    {RULE_DATA, "*.py.lock"},                 /* uv, of a script */
    {RULE_DATA, "pdm.lock"},                  /* PDM */
    {RULE_DATA, "pixi.lock"},                 /* Pixi */
    {RULE_DATA, "pyflow.lock"},               /* pyflow */
    {RULE_DATA, "requirements.lock"},         /* Rye; also Helm 2 */
    {RULE_DATA, "requirements-*.lock"},       /* Rye, pip-compile, of another set */

    /* conda-lock, one for each platform */
    {RULE_DATA, "conda-linux-64.lock"},
    {RULE_DATA, "conda-linux-aarch64.lock"},
    {RULE_DATA, "conda-linux-ppc64le.lock"},
    {RULE_DATA, "conda-osx-64.lock"},
    {RULE_DATA, "conda-osx-arm64.lock"},
    {RULE_DATA, "conda-win-64.lock"},

    /* Ruby */
    {RULE_DATA, "Gemfile.lock"},              /* Bundler */
    {RULE_DATA, "Gemfile[._-]*.lock"},        /* Bundler, of a second Gemfile */
    {RULE_DATA, "*.gemfile.lock"},            /* Bundler, as Appraisal names them */
    {RULE_DATA, "Berksfile.lock"},            /* Berkshelf */
    {RULE_DATA, "Cheffile.lock"},             /* Librarian-Chef */
    {RULE_DATA, "Puppetfile.lock"},           /* Librarian-Puppet */
    {RULE_DATA, "Podfile.lock"},              /* CocoaPods */
    {RULE_DATA, "Manifest.lock"},             /* CocoaPods, in Pods/ */

    /* PHP */
    {RULE_DATA, "composer.lock"},             /* Composer */
    {RULE_DATA, "symfony.lock"},              /* Symfony Flex */

    /* Go, before modules */
    {RULE_DATA, "Gopkg.lock"},                /* dep */
    {RULE_DATA, "glide.lock"},                /* Glide */

    /* BEAM, Dart, Crystal */
    {RULE_DATA, "mix.lock"},                  /* Mix */
    {RULE_DATA, "rebar.lock"},                /* rebar3 */
    {RULE_DATA, "pubspec.lock"},              /* pub */
    {RULE_DATA, "shard.lock"},                /* Shards */

    /* JVM and .NET */
    {RULE_DATA, "build.sbt.lock"},            /* sbt-dependency-lock */
    {RULE_DATA, "dependencies.lock"},         /* Nebula; also the ESP-IDF component manager */
    {RULE_DATA, "paket.lock"},                /* Paket */

    /* Haskell, PureScript, Lisp, Lua, R, Nim, Ada */
    {RULE_DATA, "stack.yaml.lock"},           /* Stack */
    {RULE_DATA, "stack-*.yaml.lock"},         /* Stack, of a second configuration */
    {RULE_DATA, "spago.lock"},                /* Spago */
    {RULE_DATA, "qlfile.lock"},               /* Qlot */
    {RULE_DATA, "clpmfile.lock"},             /* CLPM */
    {RULE_DATA, "Akku.lock"},                 /* Akku */
    {RULE_DATA, "luarocks.lock"},             /* LuaRocks */
    {RULE_DATA, "lux.lock"},                  /* Lux */
    {RULE_DATA, "renv.lock"},                 /* renv */
    {RULE_DATA, "packrat.lock"},              /* packrat */
    {RULE_DATA, "nimble.lock"},               /* Nimble */
    {RULE_DATA, "atlas.lock"},                /* Atlas */
    {RULE_DATA, "alire.lock"},                /* Alire */

    /* OCaml */
    {RULE_DATA, "dune.lock"},                 /* Dune: a directory that is checked in */

    /* C and C++ */
    {RULE_DATA, "conan.lock"},                /* Conan */
    {RULE_DATA, "spack.lock"},                /* Spack */
    {RULE_DATA, "xmake-requires.lock"},       /* Xmake */
    {RULE_DATA, "MODULE.bazel.lock"},         /* Bazel */

    /* Nix, tools and shells */
    {RULE_DATA, "flake.lock"},                /* Nix */
    {RULE_DATA, "lon.lock"},                  /* Lon */
    {RULE_DATA, "devenv.lock"},               /* devenv */
    {RULE_DATA, "devbox.lock"},               /* Devbox */
    {RULE_DATA, "manifest.lock"},             /* Flox */
    {RULE_DATA, "mise.lock"},                 /* mise */
    {RULE_DATA, "mise.*.lock"},               /* mise, of an environment */
    {RULE_DATA, "plugins.lock"},              /* Sheldon */

    /* Clusters and schemas */
    {RULE_DATA, "Chart.lock"},                /* Helm */
    {RULE_DATA, "helmfile.lock"},             /* Helmfile */
    {RULE_DATA, "kcl.mod.lock"},              /* KCL */
    {RULE_DATA, "buf.lock"},                  /* Buf */
    {RULE_DATA, "proto.lock"},                /* protolock */

    /* WebAssembly components */
    {RULE_DATA, "deps.lock"},                 /* wit-deps */
    {RULE_DATA, "wkg.lock"},                  /* wkg */
    {RULE_DATA, "wapm.lock"},                 /* wapm */

    /* Roblox */
    {RULE_DATA, "wally.lock"},                /* Wally */
    {RULE_DATA, "rotriever.lock"},            /* Rotriever */
    {RULE_DATA, "pesde.lock"},                /* pesde */

    /* Smart contracts */
    {RULE_DATA, "foundry.lock"},              /* Foundry */
    {RULE_DATA, "soldeer.lock"},              /* Soldeer */
    {RULE_DATA, "Scarb.lock"},                /* Scarb */
    {RULE_DATA, "Move.lock"},                 /* Move */
    {RULE_DATA, "Forc.lock"},                 /* Forc */
    {RULE_DATA, "leo.lock"},                  /* Leo */
    {RULE_DATA, "aiken.lock"},                /* Aiken */
    {RULE_DATA, "mops.lock"},                 /* Mops */

    /* Data and models */
    {RULE_DATA, "dvc.lock"},                  /* DVC */

    {RULE_DATA, NULL},
};
