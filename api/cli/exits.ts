/** How the program ends: scripts may rely on these numbers. */

/** Exit codes. */
export const exits = {
  ok: 0,
  /** the job ended without success, or was refused */
  jobFailed: 1,
  /** wrong options, no key, a file that cannot be read */
  usage: 2,
  /** the service refused the request; a check that was answered with reasons */
  refused: 3,
  /** the service could not be reached, or could not serve, for as long as --patience says */
  unreachable: 4,
  /** something that should not happen */
  unforeseen: 5,
  /** a manifest, or a file beside it, is not what it should be */
  notGenuine: 6,
} as const;

export type ExitCode = (typeof exits)[keyof typeof exits];

/** What the service says of a refusal. */
export interface ToldProblem {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly code: string;
  readonly hint: string;
  readonly requestId: string;
}

/** Ends the program with a text for people, and a code for scripts. */
export class Exit extends Error {
  readonly code: ExitCode;
  readonly problem: ToldProblem | undefined;

  constructor(code: ExitCode, message: string, problem?: ToldProblem) {
    super(message);
    this.name = 'Exit';
    this.code = code;
    this.problem = problem;
  }
}

/** A mistake of who called the program. */
export const usageError = (message: string): Exit => new Exit(exits.usage, message);
