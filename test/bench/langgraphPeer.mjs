import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

/**
 * Steps of LangGraph with its SQLite saver, each checkpoint written before the next step begins.
 * Runs on the system's Node, for which the saver's addon was compiled. Reads how many steps to do
 * as lines, and answers each with what they took in ms.
 */
const [peers, path, size] = process.argv.slice(2);
const load = async (name) => {
  const file = createRequire(pathToFileURL(`${peers}/package.json`)).resolve(name);
  return import(pathToFileURL(file).href);
};
const { Annotation, END, START, StateGraph } = await load("@langchain/langgraph");
const { SqliteSaver } = await load("@langchain/langgraph-checkpoint-sqlite");

const saver = SqliteSaver.fromConnString(path);
// As safe as ours: the library's own default in WAL mode may lose what it acknowledged.
saver.db.pragma("journal_mode = WAL");
saver.db.pragma("synchronous = FULL");

const payload = "x".repeat(Number(size));
const began = [];
let left = 0;
const graph = new StateGraph(Annotation.Root({ output: Annotation() }))
  .addNode("step", () => {
    began.push(performance.now());
    left -= 1;
    return { output: payload };
  })
  .addEdge(START, "step")
  .addConditionalEdges("step", () => (left > 0 ? "step" : END))
  .compile({ checkpointer: saver });

let threads = 0;
for await (const line of createInterface({ input: process.stdin })) {
  // Each step ends where the next one begins.
  left = Number(line) + 1;
  began.length = 0;
  threads += 1;
  await graph.invoke(
    { output: "" },
    {
      configurable: { thread_id: `thread ${threads}` },
      recursionLimit: left + 5,
      durability: "sync",
    },
  );
  const took = began.slice(1).map((at, index) => at - began[index]);
  process.stdout.write(`${JSON.stringify(took)}\n`);
}
