"""The benchmark in parts; `bench`, beside this folder, is the program."""
