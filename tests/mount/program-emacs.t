# Emacs: the lock of a file that is being edited, and what it keeps to recover the text from.
use v5.30;
use warnings;
use Lockfs::Test;
use Lockfs::Program;

need_root;
need_fuse;
need_program('emacs');

%ENV = (%ENV, HOME => temp_path('home'));
mkdir $ENV{HOME};

my $at = places('emacs');
my @emacs = ('emacs', '-Q', '--batch', '--eval');

heals 'emacs with a changed buffer, the pid is used again', $at,
    set_up => sub { my ($dir) = @_; put("$dir/file", "1\n") },
    hold   => sub {
        my ($dir) = @_;
        my $edit = qq{(progn (find-file "$dir/file") (insert "held\\n") (message "changed") (read-string "") (save-buffer))};
        return says(qr/changed/, [ @emacs, $edit ]);
    },
    lock     => '.#file',
    next     => sub { my ($dir) = @_; return [ @emacs, qq{(progn (find-file "$dir/file") (insert "next\\n") (save-buffer))} ] },
    busy     => qr/^exit 255: .*locked/s,
    recycled => 1,
    anyone   => 1,
    sound    => sub { my ($dir) = @_; is slurp("$dir/file"), "held\nnext\nnext\n1\n", 'the file has what was saved' };

subtest 'unsaved text survives its editor' => sub {
    my $file = "$at->{on}/unsaved";
    my $edit = qq{(progn (find-file "$file") (insert "not saved yet\\n")} .
        q{ (auto-save-mode 1) (do-auto-save) (message "kept") (read-string ""))};
    my $emacs = says(qr/kept/, [ @emacs, $edit ]);
    $emacs->kill9;
    ok !-l "$at->{on}/.#unsaved", 'the lock is gone';
    is slurp("$at->{on}/#unsaved#"), "not saved yet\n", 'the text is there';
};

done_testing;
