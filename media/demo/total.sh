#!/usr/bin/env bash
# Prints the sum of the prices in prices.csv.
cd "$(dirname "$0")" || exit 1
awk -F, 'NR > 2 { sum += $2 } END { printf "%.2f\n", sum }' prices.csv
