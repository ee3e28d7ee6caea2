/** Counts wrong tokens per remote address within a window. */

export interface FailedTokenLimits {
  readonly perWindow: number;
  readonly windowMs: number;
  /** milliseconds, any origin */
  readonly now?: () => number;
}

interface Window {
  readonly endsAtMs: number;
  count: number;
}

const rememberedAddresses = 10_000;

/** One process's counters; bounded, whatever arrives. */
export class FailedTokens {
  readonly #limits: FailedTokenLimits;
  readonly #windows = new Map<string, Window>();

  constructor(limits: FailedTokenLimits = { perWindow: 20, windowMs: 60_000 }) {
    this.#limits = limits;
  }

  /** Counts one wrong token. @returns 0 while the address is within its limit, else the seconds to wait */
  count(address: string): number {
    const now = (this.#limits.now ?? Date.now)();
    let window = this.#windows.get(address);
    if (window === undefined || window.endsAtMs <= now) {
      this.#windows.delete(address);
      if (this.#windows.size >= rememberedAddresses) this.#forgetOldest();
      window = { endsAtMs: now + this.#limits.windowMs, count: 0 };
      this.#windows.set(address, window);
    }
    window.count += 1;
    return window.count <= this.#limits.perWindow ? 0 : Math.ceil((window.endsAtMs - now) / 1_000);
  }

  #forgetOldest(): void {
    for (const address of this.#windows.keys()) {
      this.#windows.delete(address);
      return;
    }
  }
}
