/** Times of the Kubernetes API: dates from its client, texts from its watch. Pure. */

/** @returns milliseconds since the epoch; 0 for a time that is not there */
export const timeOf = (time: Date | string | null | undefined): number => {
  if (time === null || time === undefined) return 0;
  const milliseconds = time instanceof Date ? time.getTime() : Date.parse(time);
  return Number.isNaN(milliseconds) ? 0 : milliseconds;
};

/** @returns 0 for a time that is not there or lies ahead: clocks differ */
export const secondsSince = (time: Date | string | null | undefined, nowMs: number): number => {
  const since = timeOf(time);
  return since === 0 ? 0 : Math.max(0, (nowMs - since) / 1_000);
};
