import { runWithProjectNode } from "./bootstrap.mjs";

runWithProjectNode("test/harness/demo.ts");
