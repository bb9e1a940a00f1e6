/** The sample workspace of media/demo as text, for a session that was started in another folder. */
export const demoSample: Readonly<Record<string, string>> = {
  "README.md": `# The demo workspace

\`total.sh\` prints the sum of the prices in \`prices.csv\`. It has a bug.
\`test.sh\` shows it: run \`bash test.sh\`.

The demo model finds the cause and mends it. You can try it by hand as well.
`,
  "prices.csv": `item,price
notebook,4.50
pencil,1.20
lamp,
desk,120.00
`,
  "total.sh": `#!/usr/bin/env bash
# Prints the sum of the prices in prices.csv.
cd "$(dirname "$0")" || exit 1
awk -F, 'NR > 2 { sum += $2 } END { printf "%.2f\\n", sum }' prices.csv
`,
  "test.sh": `#!/usr/bin/env bash
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
`,
};
