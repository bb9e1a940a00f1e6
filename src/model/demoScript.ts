import type { Message } from "../core/ports.ts";
import type { ToolCall } from "../core/records.ts";
import { demoSample } from "./demoSample.ts";
import { isAboutTeam, teamReply } from "./demoTeamScript.ts";

export interface DemoReply {
  readonly text: string;
  readonly calls: readonly ToolCall[];
}

/** A call before it has an id. Its text is its identity in the conversation. */
interface Step {
  readonly tool: string;
  readonly args: string;
}

/** What the script says next, and the calls it makes beside it. */
interface Beat {
  readonly text: string;
  readonly steps: readonly Step[];
}

/** The result of a step's `nth` call so far, or null when there is none yet. */
type Heard = (step: Step, nth?: number) => string | null;

const skill = "fix-a-failing-test";
const countAsZero = "Count it as 0";
const skipAndSay = "Skip it and say so";

const lookAround = exec("ls -la");
const listSkills: Step = { tool: "skill", args: JSON.stringify({ action: "list" }) };
const readSkill: Step = { tool: "skill", args: JSON.stringify({ action: "read", skill }) };
const makeSample = exec(
  [
    "mkdir -p cairn-demo",
    ...Object.entries(demoSample).map(
      ([name, text]) => `cat > cairn-demo/${name} <<'EOF'\n${text}EOF`,
    ),
    "ls cairn-demo",
  ].join("\n"),
);
const askAboutLamp: Step = {
  tool: "ask_question",
  args: JSON.stringify({
    question: "The row `lamp` in prices.csv has no price. What should total.sh do with it?",
    choices: [countAsZero, skipAndSay],
  }),
};

/**
 * The demo's next reply. It depends on nothing but the conversation, so a session that was killed
 * goes on with the next call, in any process.
 */
export function demoReply(messages: readonly Message[]): DemoReply {
  if (isAboutTeam(messages)) return teamReply(messages);
  const earlier = messages.flatMap((message) =>
    message.role === "assistant" ? [message.toolCalls] : [],
  );
  const beat = earlier.some((calls) => calls.length === 0)
    ? say("That was the whole demo. Set your own model and key to go on with real work.")
    : beginning(listen(messages, earlier.flat()));
  const calls = beat.steps.map((step, position) => ({
    ...step,
    id: `demo_${earlier.flat().length + position + 1}`,
  }));
  return { text: beat.text, calls };
}

function listen(messages: readonly Message[], calls: readonly ToolCall[]): Heard {
  const results = new Map(
    messages.flatMap((message) =>
      message.role === "tool" ? [[message.callId, message.text] as const] : [],
    ),
  );
  return ({ tool, args }, nth = 0) => {
    const made = calls.filter((call) => call.tool === tool && call.args === args)[nth];
    return made === undefined ? null : (results.get(made.id) ?? null);
  };
}

function beginning(heard: Heard): Beat {
  const listing = heard(lookAround);
  if (listing === null) {
    return say(
      "Hello! I am the demo: a script that acts as the model, with no key and no network. I will mend a small failing test. First I look around, and at my skills.",
      lookAround,
      listSkills,
    );
  }
  if (!/\btotal \d/.test(listing)) return stop("I could not list the files");
  const sampleIsHere = Object.keys(demoSample).every((name) => listing.includes(name));
  const hasSkill = heard(listSkills)?.includes(skill) === true;
  const steps = [...(sampleIsHere ? [] : [makeSample]), ...(hasSkill ? [readSkill] : [])];
  if (steps.some((step) => heard(step) === null)) {
    const making = sampleIsHere
      ? ""
      : "The sample is not in this folder, so I make `cairn-demo/`. ";
    const reading = hasSkill
      ? "There is a skill for this job. I read it before I change anything."
      : "";
    return say((making + reading).trim(), ...steps);
  }
  if (sampleIsHere) return diagnosis(heard, "");
  const made = heard(makeSample)?.includes("total.sh") === true;
  return made ? diagnosis(heard, "cairn-demo/") : stop("I could not make the sample");
}

function diagnosis(heard: Heard, folder: string): Beat {
  const test = exec(`bash ${folder}test.sh`);
  const result = heard(test);
  if (result === null) return say("Before I read on, I want to see it fail.", test);
  if (result.includes("PASS:")) return say("The test passes already, so there is nothing to mend.");
  if (!result.includes("FAIL:")) return stop("I could not run the test");
  const script = exec(`cat ${folder}total.sh`);
  const data = exec(`cat ${folder}prices.csv`);
  const [code, rows] = [heard(script), heard(data)];
  if (code === null || rows === null) {
    return say("It fails: the total is too small. I read the script and its data.", script, data);
  }
  if (!code.includes("awk") || !rows.includes("lamp")) return stop("I could not read the files");
  const answer = heard(askAboutLamp);
  if (answer === null) {
    return say(
      "I see the cause: `NR > 2` skips two lines, but only the first one is a heading. So the notebook is never counted. One thing only you can decide.",
      askAboutLamp,
    );
  }
  const wish = wishIn(answer);
  return wish === null
    ? stop("I have no answer to go on with")
    : repair(heard, { folder, test, wish });
}

/** What the operator wants for a row without a price. */
interface Wish {
  readonly zero: boolean;
  /** False when the answer was in words that the script does not know. */
  readonly understood: boolean;
}

interface Repair {
  readonly folder: string;
  readonly test: Step;
  readonly wish: Wish;
}

function repair(heard: Heard, { folder, test, wish }: Repair): Beat {
  const change = wish.zero ? countFix(folder) : skipFix(folder);
  const changed = heard(change);
  if (changed === null) {
    const chosen = wish.zero ? "An empty price counts as 0." : "A row without a price is named.";
    const unclear =
      "I am only a script and know two answers, so I take the one that hides nothing. ";
    return say(`${wish.understood ? "Thank you. " : unclear}${chosen} One small change:`, change);
  }
  if (!/NR (>|==) 1/.test(changed)) return stop("I could not change total.sh");
  const result = heard(test, 1);
  if (result === null) return say("Now the same test again.", test);
  if (!result.includes("PASS:")) return stop("The test still fails");
  return say(
    [
      "Done: the test passes.",
      "",
      `- Cause: \`${folder}total.sh\` skipped the first item together with the heading.`,
      `- Change: it starts at the second line now; ${wish.zero ? "an empty price counts as 0" : "a row without a price is named and left out"}.`,
      "- Not checked: other files than this `prices.csv`, and prices that are not numbers.",
      "",
      "Every call above is a checkpoint that you can come back to.",
    ].join("\n"),
  );
}

function countFix(folder: string): Step {
  return exec(`sed -i 's/NR > 2/NR > 1/' ${folder}total.sh && cat ${folder}total.sh`);
}

function skipFix(folder: string): Step {
  return exec(`cat > ${folder}total.sh <<'EOF'
#!/usr/bin/env bash
# Prints the sum of the prices in prices.csv, after the rows that have none.
cd "$(dirname "$0")" || exit 1
awk -F, '
  NR == 1 { next }
  $2 == "" { print "no price: " $1; next }
  { sum += $2 }
  END { printf "%.2f\\n", sum }
' prices.csv
EOF
cat ${folder}total.sh`);
}

/** One of the choices, or the operator's own words as well as a script can follow them. */
function wishIn(answer: string): Wish | null {
  if (answer.includes(countAsZero)) return { zero: true, understood: true };
  if (answer.includes(skipAndSay)) return { zero: false, understood: true };
  if (/\b(reject|refus|declin|denie|stop|cancel)/i.test(answer)) return null;
  const skip = /\b(skip|leave|ignore|omit|name|note|warn)/i.test(answer);
  const zero = /\b(0|zero|count|nothing|free)\b/i.test(answer);
  return { zero: zero && !skip, understood: zero !== skip };
}

function exec(command: string): Step {
  return { tool: "exec", args: JSON.stringify({ command }) };
}

function say(text: string, ...steps: readonly Step[]): Beat {
  return { text, steps };
}

function stop(reason: string): Beat {
  return say(
    `${reason}, so I stop here instead of guessing. You can start the demo again at any time.`,
  );
}
