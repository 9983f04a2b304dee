# Pid files as servers in Ruby and Node keep them. They look whether the pid is alive; in a container it always is.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Holder;
use Lockfs::Program;

need_root;
need_fuse;
need_program('ruby');
need_node;

my $at = places('pidfile');

# Each serves until SIGTERM, and takes its pid file away then.
my %servers = (
    ruby => [ 'tmp/pids/server.pid', script(<<'END') ],
path = ARGV[0]
begin
  File.open(path, File::CREAT | File::EXCL | File::WRONLY, 0644) { |file| file.write(Process.pid.to_s) }
rescue Errno::EEXIST
  pid = File.read(path).to_i
  alive = begin
    pid > 0 && pid != Process.pid && Process.kill(0, pid)
  rescue Errno::ESRCH
    false
  end
  abort "A server is already running (pid: #{pid}, file: #{path})." if alive
  File.delete(path)
  retry
end
at_exit { File.delete(path) if File.exist?(path) }
trap('TERM') { exit 0 }
$stdout.sync = true
puts "serving"
sleep
END
    node => [ 'app.pid', script(<<'END') ],
const fs = require('fs');
const path = process.argv[2];
const alive = (pid) => { try { process.kill(pid, 0); return true } catch (e) { return e.code === 'EPERM' } };
for (;;) {
    try {
        fs.writeFileSync(path, String(process.pid), { flag: 'wx' });
        break;
    } catch (e) {
        if (e.code !== 'EEXIST') throw e;
    }
    const pid = Number(fs.readFileSync(path, 'utf8'));
    if (alive(pid)) {
        console.error(`A server is already running (pid: ${pid}, file: ${path}).`);
        process.exit(1);
    }
    fs.unlinkSync(path);
}
process.on('SIGTERM', () => { fs.unlinkSync(path); process.exit(0) });
setInterval(() => {}, 1 << 30);
console.log('serving');
END
);

for my $language (sort keys %servers) {
    my ($file, $program) = @{ $servers{$language} };
    heals "a server in $language, the pid is used again", $at,
        set_up   => sub { my ($dir) = @_; mkdir $_ for "$dir/tmp", "$dir/tmp/pids" },
        hold     => sub { my ($dir) = @_; return says(qr/^serving$/m, [ $language, $program, "$dir/$file" ], end => 'TERM') },
        lock     => $file,
        next     => sub { my ($dir) = @_; return [ $language, $program, "$dir/$file" ] },
        until    => qr/^serving$/m,
        works    => qr/^running: serving$/m,
        busy     => qr/^exit 1: A server is already running/,
        recycled => 1;
}

done_testing;
