/** What the demo prints: numbered steps with their durations, indented details. */

/** Prints one line. */
export type Print = (line: string) => void;

export interface Narration {
  /** Runs one numbered step; its duration is printed with its last line. */
  step<Result>(title: string, work: () => Promise<Result>): Promise<Result>;
  /** one detail of the current step */
  detail(text: string): void;
  /** a detail with the time since `startedAt` in front */
  moment(startedAtMs: number, text: string): void;
  /** lines as they are */
  print: Print;
}

/** Seconds with two decimals. */
export const formatSeconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(2)} s`;

/** Bytes in the unit that reads best. */
export const formatBytes = (bytes: number): string => (bytes < 10_000 ? `${bytes} bytes` : `${(bytes / 1_000).toFixed(1)} kB`);

/** @param print where lines go; without colours, so that a log of it can be read */
export const createNarration = (print: Print): Narration => {
  let number = 0;
  return {
    print,
    step: async (title, work) => {
      const startedAt = performance.now();
      print('');
      print(`${String(++number).padStart(2)}  ${title}`);
      const result = await work();
      print(`      ${formatSeconds(performance.now() - startedAt)}`);
      return result;
    },
    detail: (text) => print(`    ${text}`),
    moment: (startedAtMs, text) => print(`    +${((performance.now() - startedAtMs) / 1_000).toFixed(2).padStart(5)} s  ${text}`),
  };
};
