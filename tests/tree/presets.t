# Each preset has a test on a mount, and a line on the page of programs; and so has each test of programs.
use v5.30;
use warnings;
use Test::More;
use Lockfs::Sys qw(root_dir slurp);

my $root = root_dir();
my @presets = map { s{.*/(.*)\.preset$}{$1}r } glob "$root/packaging/presets/*.preset";
my @tests = glob "$root/tests/mount/program-*.t";
my $tests = join '', map { slurp($_) } @tests;
my $page = slurp("$root/docs/programs.md");

ok @presets > 10 && @tests > 10, 'there are presets and tests';
for my $preset (@presets) {
    like $tests, qr/places\('\Q$preset\E'|^ {4}\Q$preset\E +=> \[/m, "preset $preset is mounted by a test of programs";
    like $page, qr/`\Q$preset\E`/, "preset $preset is on the page of programs";
}
for my $test (map { s{.*/}{}r } @tests) {
    like $page, qr/`(tests\/mount\/)?\Q$test\E`/, "$test is on the page of programs";
}

done_testing;
