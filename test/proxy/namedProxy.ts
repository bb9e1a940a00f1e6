import { proxyProcess } from "../../src/proxy/proxyProcess.ts";
import { usualLimits } from "../../src/proxy/limits.ts";
import { echoesOf } from "../../src/proxyParts.ts";
import { given } from "./given.ts";

/** The proxy's process with names of a test's own, and with times that a test can wait for. */
const { names, limits } = given.parse(JSON.parse(process.argv[2] ?? "{}"));
const asked = new Map<string, number>();

await proxyProcess({
  echoesOf,
  limits: { ...usualLimits, ...limits },
  // Answers by turns, as a name server does that is not to be trusted.
  resolve: async (name) => {
    const answers = names[name];
    if (answers === undefined) throw new Error(`${name} has no address.`);
    const times = asked.get(name) ?? 0;
    asked.set(name, times + 1);
    const answer = answers[times % answers.length] ?? [];
    process.stderr.write(`asked for ${name}\n`);
    return Promise.resolve(answer);
  },
});
process.exit(0);
