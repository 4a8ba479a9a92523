// Waiting for conditions. No test sleeps: it says what it waits for, and by when it must have come.

/** How long anything may take before the test calls it missing. Generous: machines that test are busy. */
export const DEADLINE_MS = 30_000;

/**
 * Looks until `look` returns something truthy, and returns that. What it throws on the way counts as "not yet"; past
 * the deadline the error tells what was looked for and the last thing seen.
 */
export async function until(what, look, deadlineMs = DEADLINE_MS) {
  const end = performance.now() + deadlineMs;
  for (;;) {
    let seen;
    try {
      seen = await look();
      if (seen) return seen;
    } catch (error) {
      seen = error;
    }
    if (performance.now() > end) {
      throw new Error(
        `not within ${deadlineMs} ms: ${what} (last seen: ${seen instanceof Error ? seen.message : seen})`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
