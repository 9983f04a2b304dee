# Programs that lock by fcntl, and what editors and databases keep to recover from, are left alone; all presets are on,
# except the one that says of itself that it takes every *.lock for what a program without O_EXCL locks with.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Holder;

need_root;
need_fuse;
need_program(qw(sqlite3 vim.tiny apt-get));

my $presets = Lockfs::Sys::root_dir() . '/packaging/presets';
my $all = join ':', grep { $_ ne 'lockfile-simple' } map { s{.*/(.*)\.preset}{$1}r } glob "$presets/*.preset";
my $m = mount_lockfs(source => 'tmpfs', options => "preset=$all", env => { LOCKFS_PRESETS => $presets });
my $p = $m->path;
my $bare = temp_path('bare');
mkdir $bare;

# ---- SQLite ----

sub sqlite { my ($sql, @args) = @_; my $r = run([ 'sqlite3', @args, $sql ]); return $r->{out} . $r->{err} }

# A process with an open transaction: it has run the SQL and waits for more.
sub in_transaction {
    my ($sql, @args) = @_;
    my $process = spawn([ 'sqlite3', @args ], stderr => temp_path('stderr'));
    $process->send("$sql; SELECT 'done';");
    while (my $line = $process->recv) { last if $line eq 'done' }
    return $process;
}

for my $mode (qw(delete truncate persist wal)) {
    for my $name ('state.db', 'state.lock', 'pids.pid', 'lock') {
        subtest "sqlite, journal mode $mode, $name" => sub {
            my $db = "$p/$name";
            is sqlite("PRAGMA journal_mode=$mode; CREATE TABLE t(n); INSERT INTO t VALUES(1)", $db), "$mode\n", 'made';
            my $writer = in_transaction('BEGIN IMMEDIATE; INSERT INTO t VALUES(2)', $db);
            like sqlite('INSERT INTO t VALUES(3)', $db), qr/database is locked/, 'a second writer has to wait';
            is sqlite('SELECT count(*) FROM t', $db), "1\n", 'a reader does not';
            $writer->kill9;
            is sqlite('INSERT INTO t VALUES(4)', $db), '', 'the writer is killed: the next one writes';

            # Larger than its cache: the database itself is half written, and its journal undoes that.
            my $big = q{WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 3000)
                INSERT INTO t SELECT hex(zeroblob(200)) FROM c};
            $writer = in_transaction("PRAGMA journal_mode=$mode; PRAGMA cache_size=5; BEGIN; $big", $db);
            $writer->kill9;
            my $kept = $mode eq 'wal' ? "$db-wal" : "$db-journal";
            ok -s $kept, 'what it has to be recovered from is kept';
            is sqlite('SELECT group_concat(n) FROM t; PRAGMA integrity_check', $db), "1,4\nok\n", 'and recovered';
            unlink $db, "$db-journal", "$db-wal", "$db-shm";
        };
    }
}

subtest 'sqlite with lock directories' => sub {
    my @dotfile = ('-vfs', 'unix-dotfile');
    for my $dir ($bare, $p) {
        my @db = (@dotfile, "$dir/state.db");
        my $where = $dir eq $bare ? 'bare: ' : '';
        is sqlite('CREATE TABLE t(n)', @db), '', $where . 'made';
        my $writer = in_transaction('BEGIN EXCLUSIVE; INSERT INTO t VALUES(1)', @db);
        ok -d "$dir/state.db.lock", $where . 'the lock is a directory';
        like sqlite('INSERT INTO t VALUES(2)', @db), qr/database is locked/, $where . 'a second writer has to wait';
        expect EBUSY => client(), 'rmdir', "$dir/state.db.lock" if $dir eq $p;
        $writer->kill9;
        is sqlite('INSERT INTO t VALUES(3)', @db), '', 'the writer is killed: the next one writes' if $dir eq $p;
        like sqlite('INSERT INTO t VALUES(3)', @db), qr/database is locked/, 'bare: locked for ever' if $dir eq $bare;
        is sqlite('SELECT * FROM t; PRAGMA integrity_check', @db), "3\nok\n", 'all is well' if $dir eq $p;
        ok !-e "$p/state.db.lock", 'no lock is left' if $dir eq $p;
    }
};

# ---- apt ----

subtest 'the lock of apt is one of fcntl, on a file that stays' => sub {
    mkdir $_ for map { ("$p/$_", "$p/$_/partial") } qw(archives lists);
    my @clean = ('apt-get', '-o', "Dir::Cache::archives=$p/archives", '-o', "Dir::State::lists=$p/lists", 'clean');
    is run(\@clean)->{status}, 'exit 0', 'apt-get clean';
    my $inode = (stat "$p/archives/lock")[1];
    ok $inode, 'has left its lock file, as it does';
    my $holder = client();
    my $fd = $holder->get('open', 'rw,creat', "$p/archives/lock", '640');
    expect ok => $holder, 'setlk', $fd, 'wr';
    my $r = run(\@clean);
    like "$r->{status} $r->{err}", qr/^exit 100 .*Could not get lock .* held by process @{[ $holder->pid ]}/s,
        'while somebody has it apt says who';
    $holder->kill9;
    is run(\@clean)->{status}, 'exit 0', 'and goes on when that one was killed';
    is((stat "$p/archives/lock")[1], $inode, 'it is still the same file');
};

# ---- build tools ----

# As cargo and Gradle do it: the file is made if need be, locked by flock(2) or fcntl(2), and stays.
for my $way ([ 'flock', 'ex' ], [ 'setlk', 'wr' ]) {
    my ($lock, $mode) = @$way;
    subtest "a build directory that is locked by $lock" => sub {
        mkdir $_ for "$p/target", "$p/target/debug";
        for my $file ('target/debug/.cargo-lock', '.package-cache', 'target/build.lock') {
            my ($builder, $other) = (client(), client());
            my @fds = map { scalar $_->get('open', 'rw,creat', "$p/$file", '644') } $builder, $other;
            expect ok        => $builder, $lock, $fds[0], $mode;
            expect 'EAGAIN'  => $other,   $lock, $fds[1], $mode;
            my $inode = (stat "$p/$file")[1];
            $builder->kill9;
            expect ok => $other, $lock, $fds[1], $mode;
            $other->stop;
            is((stat "$p/$file")[1], $inode, "$file: the same file all the time");
        }
    };
}

# ---- vim ----

for my $name ('text', '#text', 'x.lock', 'server.pid', 'tmp/pids/server', 'lock', '.X1-lock') {
    subtest "the swap file of vim for $name" => sub {
        mkdir $_ for "$p/tmp", "$p/tmp/pids";
        my ($dir, $base) = "$p/$name" =~ m{(.*)/(.*)};
        my $c = client();
        expect ok => $c, 'creat', "$p/$name";
        my $swap = "$dir/." . ($base =~ s/^\.//r) . '.swp';
        my $vim = spawn([ 'vim.tiny', '-u', 'NONE', '-es', $base ], cwd => $dir, stderr => temp_path('stderr'));
        $vim->send("a\nnot saved yet\n.\npreserve\nw! $p/saved-copy");
        ok wait_for(sub { -s "$p/saved-copy" }, watch => $p), 'the editor has the text';
        ok -s $swap, 'and keeps it in its swap file';
        $vim->kill9;
        ok -s $swap, 'the editor is killed: it is there';
        run([ 'sh', '-c', 'printf "w! %s\nqa!\n" "$1" | vim.tiny -u NONE -es -r "$2"', 'sh', "$p/recovered", $base ], cwd => $dir);
        is slurp("$p/recovered"), "not saved yet\n", 'and the text can be recovered';
        unlink $swap, "$p/$name", "$p/saved-copy", "$p/recovered";
    };
}

done_testing;
