/** Who is on the demo's stage, and how it may end. */

import type { Stack } from '../stack.ts';
import type { Consumer } from './consumer.ts';
import type { DataOwner } from './dataOwner.ts';

/** What came out of it. */
export interface DemoOutcome {
  readonly jobId: string;
  /** 70 is success */
  readonly status: number;
  readonly outputFolder: string;
  readonly files: readonly string[];
}

/** Thrown when the demo cannot go on; the message ends with what to do. */
export class DemoFailure extends Error {
  readonly remedy: string;

  constructor(problem: string, remedy: string) {
    super(`${problem}. Remedy: ${remedy}.`);
    this.name = 'DemoFailure';
    this.remedy = remedy;
  }
}

/** Whom the demo has on stage. */
export interface Cast {
  readonly stack: Stack;
  readonly server: DataOwner;
  readonly publisher: Consumer;
  readonly consumer: Consumer;
}
