# --help, the man page and the completions of lockfs name the same options, and the one of bash completes them.
use v5.30;
use warnings;
use Test::More;
use Lockfs::Sys qw(build_dir root_dir slurp);

my $root = root_dir();
my $help = qx(@{[ build_dir() ]}/fs/daemon/lockfs --help);
my ($page, $bash, $zsh) = map { slurp("$root/$_") }
    qw(docs/man/lockfs.8 packaging/completion/lockfs.bash packaging/completion/_lockfs);
$page =~ s/\\-/-/g;

sub set { return [ sort keys %{ { map { $_ => 1 } @_ } } ] }

# With '=' where a value follows.
my $mount = set($help =~ /^\s+-o\s+(\w+=?)/mg);
cmp_ok scalar(@$mount), '>', 10, '--help has options of the mount';
is_deeply set($page =~ /-o (\w+=?)/g), $mount, 'the man page has them';
my ($listed) = $bash =~ /-W "(lock= [^"]*)"/;
is_deeply set(split ' ', $listed), $mount, 'bash has them';
is_deeply set(map { /^ {8}'(\w+)\[[^\]]*\](:?)/ ? $1 . ($2 ? '=' : '') : () } split /\n/, $zsh), $mount, 'zsh has them';

my $others = set(map { /^ {4}(-.*?)  / ? grep { !/^-o/ } split /, /, $1 : () } split /\n/, $help);
is_deeply set(map { /^\.BR (-.*)/ ? $1 =~ /(-\w\b|--\w+)/g : () } split /\n/, $page), $others, 'the man page has the other options';
my ($short) = $bash =~ /-W "(-f [^"]*)"/;
is_deeply set(grep { $_ ne '-o' } split ' ', $short), $others, 'bash has them';
my ($arguments) = $zsh =~ /^_arguments (.*)/ms;
is_deeply set(grep { $_ ne '-o' } map { /^ +'\*?(?:\(- \*\)'\{([^}]*)|(-\w))/ ? split /,/, $1 // $2 : () } split /\n/, $arguments), $others, 'zsh has them';

# What bash would put in place of its last word.
sub completed {
    my ($line) = @_;
    my $script = <<'END';
source "$1"
COMP_LINE=$2 COMP_POINT=${#2}
_lockfs
printf '%s\n' "${COMPREPLY[@]}"
END
    open my $out, '-|', 'bash', '-c', $script, 'bash', "$root/packaging/completion/lockfs.bash", $line or die $!;
    return join ' ', map { chomp; $_ } <$out>;
}

subtest 'in bash' => sub {
    local $ENV{PATH} = build_dir() . "/cli:$ENV{PATH}";
    local $ENV{LOCKFS_PRESETS} = "$root/packaging/presets";
    is completed('lockfs -o obs'), 'observe', 'an option';
    is completed('lockfs -o observe,mt'), 'observe,mtime=', 'the second in a list';
    is completed('lockfs -oro,obs'), '-oro,observe', 'without a blank';
    is completed('lockfs -o mtime='), 'live real', 'values, as words of their own';
    is completed('lockfs -o preset=pidf'), 'pidfile', 'a preset';
    is completed('lockfs -o preset=git:pidf'), 'pidfile', 'another preset';
    like completed('lockfs --'), qr/^--help --version$/, 'options';
    is completed('lockfs no'), 'none', 'no source';
};
done_testing;
