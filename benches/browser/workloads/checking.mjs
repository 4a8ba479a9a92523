/** A run counts only if every event came once, in order, with what was in it. */
export function check({ count, wrong, meanLength }, plan) {
  if (wrong) throw new Error(wrong);
  if (count !== plan.count) throw new Error(`${count} events of ${plan.count}`);
  if (meanLength < plan.bytes / 2) throw new Error(`texts of ${meanLength} characters on average`);
}
