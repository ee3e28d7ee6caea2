/** Waits for changes that may come while nobody is waiting. */

/** A notification can be lost with its connection; after this long the ledger is asked without one. */
const patienceMs = 10_000;

/** Rings and waits; no ring is missed. */
export interface Bell {
  readonly ring: () => void;
  /** Resolves at once if it has rung since the last wait, else at the next ring, at the latest after ten seconds. */
  readonly wait: () => Promise<void>;
}

/** Remembers that something changed while nobody was waiting, so that no change is missed. */
export const createBell = (): Bell => {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait() {
      let timer: NodeJS.Timeout | undefined;
      if (!rung) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          timer = setTimeout(resolve, patienceMs);
        });
      }
      clearTimeout(timer);
      wake = undefined;
      rung = false;
    },
  };
};
