// Reports a test run in few lines: every failure, every test that was skipped, seeds, and the counts.

/** The reporter, as node --test-reporter wants it. */
export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type === "test:fail" && !isOnlyAParent(data)) {
      yield `FAILED ${data.file ?? ""}: ${data.name}\n${reason(data.details.error)}\n`;
    } else if (type === "test:pass" && data.skip !== undefined) {
      yield `skipped: ${data.name} (${data.skip || "no reason given"})\n`;
    } else if (type === "test:diagnostic" && /^(seed|tests|pass|fail|cancelled|skipped|duration_ms) /.test(data.message)) {
      yield `# ${data.message}\n`;
    } else if (type === "test:stderr") {
      yield data.message;
    }
  }
}

/** Whether this failure only says that one inside failed, which has been reported. */
function isOnlyAParent({ details }) {
  return details.error?.failureType === "subtestsFailed";
}

function reason(error) {
  const cause = error?.cause ?? error;
  return String(cause?.stack ?? cause);
}
