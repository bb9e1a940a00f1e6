// Takes the place of @vscode/spdlog inside code-server: its native part would need a compiler.
// VS Code imports this from an ES module, so every name is exported by an assignment of its own.
const { appendFileSync, mkdirSync } = require("node:fs");
const path = require("node:path");

const levels = ["trace", "debug", "info", "warning", "error", "critical"];
const off = levels.length;
const none = () => {};
let sharedLevel = 2;

async function createLogger(_name, file) {
  mkdirSync(path.dirname(file), { recursive: true });
  let own = sharedLevel;
  let raw = false;
  const write = (level) => (text) => {
    if (level < own || own >= off) return;
    const line = raw ? text : `${new Date().toISOString()} [${levels[level]}] ${text}\n`;
    try {
      appendFileSync(file, line);
    } catch {
      // A log that cannot be written must not end the editor.
    }
  };
  return {
    trace: write(0),
    debug: write(1),
    info: write(2),
    warn: write(3),
    error: write(4),
    critical: write(5),
    getLevel: () => own,
    setLevel: (level) => {
      own = level;
    },
    clearFormatters: () => {
      raw = true;
    },
    setPattern: none,
    flush: none,
    drop: none,
  };
}

exports.setLevel = (level) => {
  sharedLevel = level;
};
exports.setFlushOn = none;
exports.createRotatingLogger = createLogger;
exports.createAsyncRotatingLogger = createLogger;
