import * as z from "zod";
import { defineQuestion, type Tool } from "../core/tool.ts";

const args = z.object({
  question: z.string().min(1).max(2000).describe("One clear question, in plain text."),
  choices: z
    .array(z.string().min(1).max(200))
    .max(6)
    .default([])
    .describe("Short answers to choose from; leave empty for free text."),
});

/** Lets the model ask the operator. The session parks until somebody answers. */
export function askQuestionTool(): Tool {
  return defineQuestion({
    name: "ask_question",
    description:
      "Asks the user one question and waits for the answer, however long it takes. Use it when a decision is theirs to make.",
    args,
    ask: ({ question, choices }) => ({ question, choices }),
  });
}
