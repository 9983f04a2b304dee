# The unit that is installed is one that systemd takes, and it asks for what lockfs gives.
use v5.30;
use warnings;
use Test::More;
use File::Temp ();
use Lockfs::Sys qw(build_dir root_dir slurp);

my $text = slurp(root_dir() . '/packaging/systemd/lockfs@.service.in');
my $dir  = File::Temp->newdir;
$text =~ s{\@SBINDIR\@}{build_dir() . '/fs/daemon'}ge;
$text =~ s{\@BINDIR\@}{build_dir() . '/cli'}ge;
unlike $text, qr/\@[A-Z]+\@/, 'nothing is left to be filled in';
open my $fh, '>', "$dir/lockfs\@.service" or die;
print {$fh} $text;
close $fh;

for my $instance ('tmp', 'srv-an\x20app') {
    my $said = qx(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no '$dir/lockfs\@$instance.service' 2>&1);
    my @about_it = grep { /lockfs/ } split /\n/, $said;
    is_deeply \@about_it, [], "$instance: nothing to complain of";
    is $? >> 8, 0, "$instance: accepted";
}

my %set = $text =~ /^(\w+)=(.*)$/mg;
is $set{Type}, 'notify', 'it says when it is ready';
is $set{KillMode}, 'mixed', 'only the keeper is asked to end';
cmp_ok $set{FileDescriptorStoreMax}, '>=', 3, 'there is room for its descriptors';
my $service = slurp(root_dir() . '/fs/daemon/service.c');
cmp_ok scalar(() = $service =~ /^\s+notify_store\(/mg), '<=', $set{FileDescriptorStoreMax}, 'for all of them';
done_testing;
