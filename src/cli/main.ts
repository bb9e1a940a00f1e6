import { commandLine } from "./commandLine.ts";

process.exitCode = await commandLine(process.argv.slice(2), {
  dist: new URL(".", import.meta.url),
  flows: [],
});
