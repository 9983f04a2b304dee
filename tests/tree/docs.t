# What the pages say is there is there, and every option of lockfs has its place in them.
use v5.30;
use warnings;
use Test::More;
use Lockfs::Sys qw(build_dir root_dir slurp);

my $root = root_dir();
my @PAGES = grep { -e "$root/$_" } 'README.md', 'tests/README.md', map { s{^\Q$root\E/}{}r } sort glob "$root/docs/*.md";

# Files of this tree that a page names: in backticks, in an indented command, or as the target of a link.
sub named_files {
    my ($text) = @_;
    my %seen;
    while ($text =~ m{(?:^\ {4}|`|\]\()((?:\./)?(?:packaging|tests|docs|fs|cli)/[\w./-]*\w)}mg) {
        $seen{$1} = 1;
    }
    return sort keys %seen;
}

# Commands at the beginning of an indented line.
sub commands {
    my ($text) = @_;
    my %seen;
    $seen{$1} = 1 while $text =~ m{^\ {4}(?:sudo )?((?:packaging|tests)/[\w./-]*\w)(?=[\s]|$)}mg;
    return sort keys %seen;
}

sub options_of_help {
    my ($help) = @_;
    my %seen;
    $seen{$1} = 1 while $help =~ /^\s+-o\s+(\w+)/mg;
    return sort keys %seen;
}

# An option is described where it stands in backticks.
sub undescribed {
    my ($text, @options) = @_;
    my @code;
    push @code, $1 while $text =~ /`([^`\n]+)`/g;
    return grep { my $option = $_; !grep {/(?:^|[\s,])\Q$option\E(?:$|[=,\s\[])/} @code } @options;
}

for my $page (@PAGES) {
    my $text = slurp("$root/$page");
    my @missing = grep { !-e "$root/$_" && $_ ne 'docs/' } named_files($text);
    is join(' ', @missing), '', "$page: the files it names are there";
    is join(' ', grep { -f "$root/$_" && !-x _ } commands($text)), '', "$page: its commands can be run";
}
ok @PAGES > 1, 'there are pages';

my $help = qx(@{[ build_dir() ]}/fs/daemon/lockfs --help);
is $?, 0, 'lockfs --help ends well';
my @options = options_of_help($help);
cmp_ok scalar(@options), '>', 10, 'and lists options';

is_deeply [ sort keys %{ { map { $_ => 1 } slurp("$root/docs/man/lockfs.8") =~ /\\-o (\w+)/g } } ], \@options,
    'lockfs(8) has the options of --help, and no others';

subtest 'every option is described' => sub {
    my @manuals = grep { -e } map {"$root/docs/$_.md"} qw(semantics operations);
    plan skip_all => 'needs docs/semantics.md or docs/operations.md' if !@manuals;
    is join(' ', undescribed(join("\n", map { slurp($_) } @manuals), @options)), '', 'in docs/semantics.md or docs/operations.md';
};

subtest 'metrics' => sub {
    my $set = sub { [ sort keys %{ { map { $_ => 1 } @_ } } ] };
    is_deeply $set->(slurp("$root/docs/ctl.md") =~ /\b(lockfs_[a-z_]*[a-z])/g), $set->(slurp("$root/fs/control/figures.c") =~ /"(lockfs_[a-z_]+)"/g),
        'docs/ctl.md names those that there are';
};

subtest 'what would be found' => sub {
    my $page = "See `docs/none.md` and [this](tests/no-such/run).\n\n    packaging/absent DIR\n    tests/run [NAME...]\n";
    is join(' ', named_files($page)), 'docs/none.md packaging/absent tests/no-such/run tests/run', 'files';
    is join(' ', commands($page)), 'packaging/absent tests/run', 'commands';
    is join(' ', options_of_help("    -f, -d   x\n    -o lock=GLOB  y\n    -o ro   z\n")), 'lock ro', 'options';
    is join(' ', undescribed("| `lock=GLOB` / `data=GLOB` | `-o ro,noexec` the retain option\n", qw(lock data ro retain))),
        'retain', 'an option that is not described';
};

subtest 'presets' => sub {
    my %listed = map { $_ => 1 } slurp("$root/packaging/presets/meson.build") =~ /'([\w-]+\.preset)'/g;
    my @there  = map { s{.*/}{}r } glob "$root/packaging/presets/*.preset";
    is_deeply [ sort keys %listed ], [ sort @there ], 'all are installed';
};

done_testing;
