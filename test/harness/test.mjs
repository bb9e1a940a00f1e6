import { runWithProjectNode } from "./bootstrap.mjs";

runWithProjectNode("test/harness/layers.ts");
