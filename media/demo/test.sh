#!/usr/bin/env bash
# Checks that total.sh counts every price. The total is its last line.
cd "$(dirname "$0")" || exit 1
want=125.70
got=$(bash total.sh | tail -n 1)
echo "total.sh should end with $want"
if [ "$got" = "$want" ]; then
  echo "PASS: it ends with $got"
  exit 0
fi
echo "FAIL: it ends with $got"
exit 1
