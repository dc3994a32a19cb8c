#!/bin/sh
# Stands in for cargo: tells its process, its folder and its arguments, and fails in its own way.
echo "$$"
pwd
for argument; do echo "$argument"; done
exit 7
