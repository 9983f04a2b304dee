# A folder of fs/ is a layer, and includes go downward only, as the table in docs/architecture.md and below has it.
use v5.30;
use warnings;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;
use Lockfs::Sys qw(root_dir slurp);

my @JOINED = qw(base wire proc rules claims store state);
my %MAY    = (
    base    => [],
    wire    => [qw(base)],
    proc    => [qw(base)],
    rules   => [qw(base)],
    claims  => [qw(base)],
    store   => [qw(base)],
    state   => [qw(base claims)],
    engine  => [@JOINED],
    control => [qw(engine wire)],
    fuse    => [ qw(engine control), @JOINED ],    # engine's headers show the types of all that it joins
    daemon  => [ qw(fuse engine control), @JOINED ],
    cli     => [qw(base wire)],
);

# The arbiter is pure: of the system it knows types, errors and memory.
my %PURE = map { $_ => 1 } qw(errno.h glib.h inttypes.h limits.h stdbool.h stddef.h stdint.h stdlib.h string.h sys/types.h);

# Who alone may use what.
my @ONLY = (
    [ qr/^\s*#\s*include\s*[<"](?:fuse3?\/)?fuse[\w-]*\.h[>"]|^\s*#\s*include\s*<linux\/fuse\.h>/, 'libfuse', qw(fuse daemon) ],
    [ qr/\bGKeyFile\b|\bg_key_file_/, 'GKeyFile', qw(rules) ],
);

# "PATH:LINE: what is wrong", for every offence below a root.
sub offences {
    my ($root) = @_;
    my @found;
    for my $path (glob("$root/fs/*/*.[ch]"), glob("$root/cli/*.[ch]")) {
        my $short = substr $path, length("$root/");
        my $layer = $short =~ m{^fs/([^/]+)/} ? $1 : 'cli';
        push @found, "$short:1: '$layer' is no layer" if !$MAY{$layer};
        my $number = 0;
        for my $line (split /\n/, slurp($path)) {
            $number++;
            push @found, map {"$short:$number: $_"} of_line($layer, $line);
        }
    }
    return @found;
}

sub of_line {
    my ($layer, $line) = @_;
    my @found;
    my %may = map { $_ => 1 } $layer, @{ $MAY{$layer} // [] };
    if ($line =~ /^\s*#\s*include\s*"(?:([^"\/]*)\/)?[^"]*"/) {
        my $of = $1 // $layer;    # without a folder: generated, and its own
        push @found, "$layer includes $of" if !$may{$of};
    }
    if ($layer eq 'claims' && $line =~ /^\s*#\s*include\s*<([^>]+)>/) {
        push @found, "claims is pure and includes <$1>" if !$PURE{$1};
    }
    for my $only (@ONLY) {
        my ($pattern, $what, @where) = @$only;
        push @found, "$what in $layer" if $line =~ $pattern && !grep { $_ eq $layer } @where;
    }
    return @found;
}

is join("\n", offences(root_dir())), '', 'no layer includes what is not below it';
ok scalar(my @files = glob(root_dir() . '/fs/*/*.c')) > 50, 'and there was something to look at';

my $made = tempdir(CLEANUP => 1);

sub planted {
    my ($path, $text) = @_;
    make_path(($made . "/$path") =~ s{/[^/]+$}{}r);
    open my $fh, '>', "$made/$path" or die "$path: $!\n";
    print $fh $text;
    close $fh;
    my @found = offences($made);
    unlink "$made/$path";
    return join "\n", @found;
}

subtest 'what would be found' => sub {
    is planted('fs/base/a.c', "\n#include \"proc/proc.h\"\n"), 'fs/base/a.c:2: base includes proc', 'upward';
    is planted('fs/store/a.h', qq{#include "claims/verdict.h"\n}), 'fs/store/a.h:1: store includes claims', 'sideways';
    is planted('fs/state/a.c', qq{# include "store/store.h"\n}),   'fs/state/a.c:1: state includes store',  'in any spelling';
    is planted('fs/engine/a.c', qq{#include "fuse/server.h"\n}), 'fs/engine/a.c:1: engine includes fuse', 'a higher layer';
    is planted('cli/a.c', qq{#include "proc/proc.h"\n}), 'cli/a.c:1: cli includes proc', 'the command-line tool';
    is planted('fs/other/a.c', ''), q{fs/other/a.c:1: 'other' is no layer}, 'a folder that is no layer';
    is planted('fs/claims/a.c', "#include <unistd.h>\n"), 'fs/claims/a.c:1: claims is pure and includes <unistd.h>', 'I/O in the arbiter';
    is planted('fs/claims/a.c', "#include <time.h>\n"), 'fs/claims/a.c:1: claims is pure and includes <time.h>', 'a clock in the arbiter';
    is planted('fs/engine/a.c', "#include <fuse_lowlevel.h>\n"), 'fs/engine/a.c:1: libfuse in engine', 'libfuse';
    is planted('fs/store/a.c', "#include <linux/fuse.h>\n"), 'fs/store/a.c:1: libfuse in store', "the kernel's FUSE";
    is planted('fs/daemon/a.c', "GKeyFile *file;\n"), 'fs/daemon/a.c:1: GKeyFile in daemon', 'GKeyFile';
    is planted('fs/fuse/a.c', qq{#include "engine/engine.h"\n#include <fuse.h>\n}), '', 'and what is allowed is not';
};

done_testing;
