import { test } from "node:test";
import { executeContract } from "../contracts/execute.ts";
import { fileToolsContract } from "../contracts/fileTools.ts";
import { sandboxContract } from "../contracts/sandbox.ts";
import { shellDiffersContract } from "../contracts/shellDiffers.ts";
import { shellContract } from "../contracts/shell.ts";
import { bubblewrapPlace, whyNoBubblewrap } from "./bubblewrapPlace.ts";

const skipped = await whyNoBubblewrap();
if (skipped === null) {
  sandboxContract("the bubblewrap sandbox", bubblewrapPlace, { realBash: true });
  executeContract("the bubblewrap sandbox", bubblewrapPlace, { realBash: true });
  shellDiffersContract("the bubblewrap sandbox", bubblewrapPlace);
  fileToolsContract("the bubblewrap sandbox", bubblewrapPlace, { realBash: true });
  shellContract("the bubblewrap sandbox", bubblewrapPlace);
} else {
  test("the bubblewrap sandbox", { skip: skipped });
}
