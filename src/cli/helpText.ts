import { options, type OptionName } from "./options.ts";
import { everywhere, verbs, type VerbRules } from "./verbs.ts";

/** All commands and options, from the tables that the parser uses. */
export function helpText(): string {
  const rules: readonly (readonly [string, VerbRules])[] = Object.entries(verbs);
  const commands = rules.map(([name, { args, help }]) => line([name, ...args].join(" "), help));
  return [
    "cairn: sandboxed, durable agent sessions",
    "",
    "Commands",
    ...commands,
    "",
    "Options of every command",
    ...everywhere.map(optionLine),
    ...groups(rules).map(
      ([names, of]) => `\nOptions of ${names}\n${of.map(optionLine).join("\n")}`,
    ),
    "",
    "Exit codes: 0 done, 1 failed, interrupted or refused, 2 wrong use (nothing was changed),",
    "3 waiting for an answer, 4 completed, but something was denied",
    "",
  ].join("\n");
}

/** Options under the commands that take them, each option once. */
function groups(
  rules: readonly (readonly [string, VerbRules])[],
): readonly (readonly [string, readonly OptionName[]])[] {
  const found = new Map<string, OptionName[]>();
  for (const name of new Set(rules.flatMap(([, { options: taken }]) => taken))) {
    const takers = rules.filter(([, { options: taken }]) => taken.includes(name));
    const heading = takers.map(([verb]) => verb).join(", ");
    found.set(heading, [...(found.get(heading) ?? []), name]);
  }
  return [...found];
}

function optionLine(name: OptionName): string {
  const option = options[name];
  return line("value" in option ? `--${name} ${option.value}` : `--${name}`, option.help);
}

function line(left: string, right: string): string {
  const gap = left.length > 27 ? `\n${" ".repeat(30)}` : "";
  return `  ${left.padEnd(gap === "" ? 28 : 0)}${gap}${right}`;
}
