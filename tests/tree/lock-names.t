# The survey of lock-named data and the built-in rules name the same.
use v5.30;
use warnings;
use FindBin qw($Bin);
use Test::More;

sub slurp { my ($path) = @_; open my $fh, '<', "$Bin/../../$path" or die "$path: $!\n"; local $/; return readline $fh }

my @rules = slurp('fs/rules/builtin.c') =~ /\{RULE_DATA, "([^"]+)"\}/g;
my ($names) = slurp('docs/lock-named-data.md') =~ /^## Names\n(.*?)^## /ms;
my @told = $names =~ /^\|[^|]*\| `([^`]+)` \|/mg;
cmp_ok scalar(@rules), '>', 80, 'rules were found';
is_deeply [ sort @told ], [ sort @rules ], 'the same names';
my %seen;
is_deeply [ grep { $seen{$_}++ } @rules ], [], 'each once';
done_testing;
