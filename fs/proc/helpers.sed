# Each line becomes a C string with its newline.
s/[\\"]/\\&/g
s/.*/"&\\n"/
