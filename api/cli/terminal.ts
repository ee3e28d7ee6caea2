/** What the program has of its surroundings. Tests and `main.ts` give it. */

import type { Readable, Writable } from 'node:stream';

/** Streams and settings of one run. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(mode: boolean): unknown };
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** defaults of options, by name of the environment variable */
  readonly settings: Readonly<Record<'C2D_URL' | 'C2D_KEY_FILE' | 'C2D_KEYSTORE' | 'C2D_PASSWORD_FILE', string | undefined>>;
}

/** One line for people or programs. */
export const say = ({ stdout }: Pick<Terminal, 'stdout'>, line: string): void => {
  stdout.write(`${line}\n`);
};

/** One line beside the output. */
export const note = ({ stderr }: Pick<Terminal, 'stderr'>, line: string): void => {
  stderr.write(`${line}\n`);
};

/** Reads a line without showing it. @throws Error when there is nobody to ask */
export const askSecret = async ({ stdin, stderr }: Terminal, question: string): Promise<string> => {
  if (stdin.isTTY !== true || stdin.setRawMode === undefined) throw new Error('nobody is there to ask');
  // first of all: what is typed as soon as the question is there must not be shown either
  stdin.setRawMode(true);
  try {
    stderr.write(question);
    return await readUntilEnter(stdin);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write('\n');
  }
};

const readUntilEnter = async (stdin: Readable): Promise<string> => {
  let text = '';
  for await (const piece of stdin.iterator({ destroyOnReturn: false })) {
    for (const character of String(piece)) {
      if (character === '\r' || character === '\n') return text;
      if (character === '\u0003') throw new Error('interrupted');
      text = character === '\u007f' ? text.slice(0, -1) : text + character;
    }
  }
  return text;
};
