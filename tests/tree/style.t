# The sources keep to the form that makes them findable: names, sizes, headers, format, no hidden state.
use v5.30;
use warnings;
use Test::More;
use Lockfs::Sys qw(build_dir root_dir slurp);

my $root = root_dir();
my $FUNCTION_LINES = 60;
my $FILE_LINES     = 600;

# What a file defines begins with the file's name, or with the beginning of it (source-files.c: source_), or with its
# layer's (engine_). Beyond that:
my %ALSO = (
    'base/slots.c'         => ['slot'],
    'claims/claim-table.c' => ['owner'],      # the table holds both kinds of record
    'claims/verdict.c'     => ['claim'],
    'daemon/help.c'        => ['options'],    # apart from options.c, which parses
    'fuse/ops-files.c'     => ['op', 'request'],
    'fuse/request.c'       => ['reply'],
    'store/caller.c'       => ['creds'],
);

# State of the process, not of a mount; each for a reason.
my %STATIC = (
    log_process => 'where messages go is the process\'s, like its standard error',
    received   => 'what a signal handler can reach: signals come to the process',
    seed       => 'drawn once before main(), against names chosen to collide',
    q          => 'of G_DEFINE_QUARK, a constant once it is set',
);

# Function definitions in the format that clang-format gives them: { name, static, line, lines }.
sub functions {
    my ($text) = @_;
    my @lines = split /\n/, $text;
    my @found;
    for my $i (0 .. $#lines) {
        next if $lines[$i] ne '{';
        my $first = $i;
        $first-- while $first > 0 && $lines[ $first - 1 ] =~ /\S/ && $lines[ $first - 1 ] !~ m{^[#\}]|\*/\s*$|^//};
        my $head = join ' ', @lines[ $first .. $i - 1 ];
        $head =~ s/__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)//g;
        my ($name) = $head =~ /(\w+)\s*\(/ or next;
        my $last = $i;
        $last++ while $last < $#lines && $lines[$last] ne '}';
        push @found, { name => $name, static => $head =~ /\bstatic\b/ ? 1 : 0, line => $first + 1, lines => $last - $first + 1 };
    }
    return @found;
}

sub prefixes {
    my ($path) = @_;    # below fs/
    my ($layer, $stem) = $path =~ m{^([^/]+)/(.+)\.c$};
    my @words = split /-/, $stem;
    return ($layer, @{ $ALSO{$path} // [] }, map { join '_', @words[ 0 .. $_ ] } 0 .. $#words);
}

sub misnamed {
    my ($path, $text) = @_;
    my $allowed = join '|', map { quotemeta } prefixes($path);
    return map {"fs/$path:$_->{line}: $_->{name}()"}
        grep { !$_->{static} && $_->{name} ne 'main' && $_->{name} !~ /^(?:$allowed)(?:_|$)/ } functions($text);
}

sub too_long {
    my ($path, $text, $limit) = @_;
    return map {"$path:$_->{line}: $_->{name}() has $_->{lines} lines"} grep { $_->{lines} > $limit } functions($text);
}

sub bad_header {
    my ($path, $text) = @_;    # below fs/
    my $guard = 'LOCKFS_' . (uc($path) =~ s/[^A-Z0-9]/_/gr);
    my @found;
    push @found, "fs/$path: does not begin with a comment that says what it is" if $text !~ m{\A/\*\s+\S};
    push @found, "fs/$path: the guard is not $guard" if $text !~ /^#ifndef $guard\n#define $guard\n/m;
    return @found;
}

my %text = map { s{^\Q$root\E/}{}r => slurp($_) } glob("$root/fs/*/*.[ch] $root/tests/helpers/*.[ch] $root/cli/*.[ch]");
my @c = grep {/\.c$/} sort keys %text;

is join("\n", map { misnamed(s{^fs/}{}r, $text{$_}) } grep {m{^fs/}} @c), '', 'functions are named after their file';
is join("\n", map { too_long($_, $text{$_}, $FUNCTION_LINES) } @c), '', "no function has more than $FUNCTION_LINES lines";
is join("\n", grep { ($text{$_} =~ tr/\n//) > $FILE_LINES } sort keys %text), '', "no file has more than $FILE_LINES lines";
is join("\n", map { bad_header(s{^fs/}{}r, $text{$_}) } grep {m{^fs/.*\.h$}} sort keys %text), '',
    'headers say what they are, and are guarded by their path';

my @longish = map { too_long($_, $text{$_}, 30) } grep {m{^fs/}} @c;
note 'more than 30 lines: ' . @longish . "\n" . join "\n", @longish if @longish;

subtest 'what would be found' => sub {
    my $body = "static int a(void)\n{\n}\n\nint\nwrong(int x,\n      int y)\n{\n" . "    x++;\n" x 60 . "}\n";
    is join("\n", misnamed('store/source-files.c', $body)), 'fs/store/source-files.c:5: wrong()', 'a name';
    is join("\n", misnamed('store/source-files.c', $body =~ s/wrong/source_right/r)), '', '(and a right one)';
    is join("\n", too_long('x.c', $body, 60)), 'x.c:5: wrong() has 65 lines', 'a long function';
    is scalar(bad_header('base/fd.h', "#ifndef FD_H\n#define FD_H\n")), 2, 'a header without comment and guard';
    is scalar(bad_header('base/fd.h', "/* What. */\n#ifndef LOCKFS_BASE_FD_H\n#define LOCKFS_BASE_FD_H\n")), 0, '(and a right one)';
    is join(' ', mutable("x |0000000000000000|   b  | OBJECT|04|     |.bss\ny |0| d | OBJECT|04|     |.data.rel.ro.local\n")), 'x', 'a static';
};

# Names of what is neither constant nor on the list, from the output of nm -f sysv.
sub mutable {
    my ($symbols) = @_;
    my @found;
    for my $line (split /\n/, $symbols) {
        my ($name, $section) = (split /\s*\|\s*/, $line)[ 0, 6 ];
        next if !defined $section || $section !~ /^\.(?:t?data|t?bss)(?!\.rel\.ro)/;
        next if $name =~ /^(?:_|\.|lib\b)/;    # of the compiler
        push @found, $name if !$STATIC{ $name =~ s/\.\d+$//r =~ s/^\w+\.//r };    # of gcc; of clang
    }
    return @found;
}

subtest 'no state but what is passed in' => sub {
    plan skip_all => 'needs the program nm' if system('command -v nm >/dev/null 2>&1') != 0;
    my @objects = (glob(build_dir() . '/fs/*/*.a'), glob(build_dir() . '/fs/daemon/lockfs.p/*.o'));
    ok @objects > 7, 'there are libraries to look at';
    is join(' ', mutable(scalar qx(nm -f sysv @objects 2>/dev/null))), '', 'no mutable static';
};

subtest 'clang-format has nothing to change' => sub {
    plan skip_all => 'needs the program clang-format' if system('command -v clang-format >/dev/null 2>&1') != 0;
    my @all = map {"$root/$_"} sort keys %text;
    my $out = qx(clang-format --dry-run @all 2>&1);
    is join("\n", $out =~ /^(\S+?:\d+):\d+: warning/mg), '', 'all files';
};

done_testing;
