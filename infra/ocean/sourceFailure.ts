/** How reading a file's source fails. */

/** `permanent`: asking again is pointless; `transient`: later may help. The message is shown to consumers and names no URL. */
export class SourceFailure extends Error {
  readonly kind: 'permanent' | 'transient';

  constructor(kind: 'permanent' | 'transient', message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SourceFailure';
    this.kind = kind;
  }
}
