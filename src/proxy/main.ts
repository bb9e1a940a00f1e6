import { echoesOf } from "../proxyParts.ts";
import { proxyProcess } from "./proxyProcess.ts";

try {
  await proxyProcess({ echoesOf });
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : "The proxy failed."}\n`);
  process.exit(2);
}
