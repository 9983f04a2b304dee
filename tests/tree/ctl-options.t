# --help, the man page and the completions of lockfs-ctl name the same subcommands and options.
use v5.30;
use warnings;
use Test::More;
use Lockfs::Sys qw(build_dir root_dir slurp);

my $root    = root_dir();
my $program = build_dir() . '/cli/lockfs-ctl';
my ($page, $bash, $zsh) = map { slurp("$root/$_") }
    qw(docs/man/lockfs-ctl.1 packaging/completion/lockfs-ctl.bash packaging/completion/_lockfs-ctl);

sub options { my ($text) = @_; return [ sort keys %{ { map { $_ => 1 } $text =~ /(--[a-z][a-z-]*[a-z])/g } } ] }

my @names = map { /^  ([a-z]+) / ? $1 : () } qx($program --help);
ok @names >= 16, 'subcommands';
is_deeply [ $page =~ /^\.SS (\w+)/mg ], \@names, 'the man page has them all';
for my $completion ($bash, $zsh) {
    my ($line) = $completion =~ /(list show [a-z ]+)/;
    is_deeply [ split ' ', $line ], \@names, 'and so has the completion';
}
for my $name (@names) {
    my $want = options(scalar qx($program $name --help));
    my ($section) = $page =~ /^\.SS $name\b.*?\n(.*?)(?=^\.S[SH] )/ms;
    $section =~ s/\\-/-/g;
    is_deeply options("$section --help"), $want, "$name: man page";
    my ($in_bash) = $bash =~ /^    $name\) options="(.*?)"/m;
    my ($in_zsh)  = $zsh =~ /^$name\) options=\((.*?)\)/m;
    is_deeply options($in_bash), $want, "$name: bash";
    is_deeply options($in_zsh),  $want, "$name: zsh";
}
my ($plain) = qx(man --warnings -E UTF-8 -l $root/docs/man/lockfs-ctl.1 2>&1 >/dev/null);
is $plain // '', '', 'the man page has no mistake' if -x '/usr/bin/man';
done_testing;
