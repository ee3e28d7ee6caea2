/** What the wrapper says on the life pipe. Pure. */

/** One line of the wrapper. */
export type LifeLine =
  | { readonly kind: 'here' }
  | { readonly kind: 'unsealed'; readonly why: string }
  | { readonly kind: 'started' }
  | { readonly kind: 'unstartable'; readonly program: string }
  | { readonly kind: 'exit'; readonly code: number; readonly oomKills: number };

/** A line after which the wrapper does nothing more. */
export type LastWord = Extract<LifeLine, { kind: 'unstartable' | 'exit' }>;

const maxLineLength = 4_096;

/** A word of the image's or the consumer's, fit for a message: printable, short. */
const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 100);

/**
 * @param line without its line break
 * @param nonce what went through the gate; lines about the run must carry it, because the algorithm can write to the pipe too
 * @returns undefined for a line that is not the wrapper's
 */
export const parseLifeLine = (line: string, nonce: string): LifeLine | undefined => {
  const [word = '', first = '', ...rest] = line.slice(0, maxLineLength).split(' ');
  if (word === 'here' && first === '') return { kind: 'here' };
  if (word === 'unsealed') return { kind: 'unsealed', why: printable([first, ...rest].join(' ')) };
  if (first !== nonce) return undefined;
  if (word === 'started') return { kind: 'started' };
  if (word === 'unstartable') return { kind: 'unstartable', program: printable(rest.join(' ')) };
  const [code = '', kills = ''] = rest;
  if (word !== 'exit' || !/^\d{1,3}$/.test(code) || !/^\d{1,9}$/.test(kills)) return undefined;
  return { kind: 'exit', code: Number(code), oomKills: Number(kills) };
};

/** Cuts a stream of bytes into lines; what the algorithm may write between them cannot grow without bound. */
export const createLineSplitter = (onLine: (line: string) => void): ((chunk: Buffer) => void) => {
  let open = '';
  return (chunk) => {
    const lines = (open + chunk.toString('latin1')).split('\n');
    open = (lines.pop() ?? '').slice(-maxLineLength);
    lines.forEach(onLine);
  };
};
