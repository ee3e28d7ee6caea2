/** Words shared by everything that finds, downloads, builds or starts a part of the stack. */

/** How a part was had, in the order in which the ways are tried. */
export type Origin = 'environment' | 'path' | 'packages' | 'cache' | 'download' | 'build' | 'system package';

/** A part that is ready for use. */
export interface FoundPart {
  readonly name: string;
  readonly version: string;
  /** file or folder */
  readonly path: string;
  readonly origin: Origin;
}

/** Takes one line of progress for people. */
export type Report = (line: string) => void;

/** A part that cannot be had on this machine. The message is one line and ends with what to do. */
export class MissingPart extends Error {
  readonly part: string;
  readonly remedy: string;

  /**
   * @param part name of the part, as `npm run doctor` shows it
   * @param reason why it cannot be had, without a full stop
   * @param remedy what a person can do, an imperative sentence without a full stop
   */
  constructor(part: string, reason: string, remedy: string) {
    super(`${part}: ${oneLine(reason)}. Remedy: ${oneLine(remedy)}.`);
    this.name = 'MissingPart';
    this.part = part;
    this.remedy = remedy;
  }
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

/** The message of anything thrown, on one line of at most 300 characters. */
export const messageOf = (thrown: unknown): string => oneLine(thrown instanceof Error ? thrown.message : String(thrown)).slice(0, 300);

/** One line for people about a part that was found, e.g. `temporal 1.5.1 (cache)`. */
export const describePart = (part: FoundPart): string => `${part.name} ${part.version} (${part.origin})`;
