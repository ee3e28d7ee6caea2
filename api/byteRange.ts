/** One range of a file, as HTTP asks for it (RFC 9110 §14). */

/** Inclusive on both ends. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** `whole`: send everything; `unsatisfiable`: answer 416. */
export type RangeChoice =
  { readonly kind: 'whole' } | { readonly kind: 'part'; readonly range: ByteRange } | { readonly kind: 'unsatisfiable' };

const singleRange = /^bytes=\s*(\d{0,19})\s*-\s*(\d{0,19})\s*$/i;

/**
 * @param header the `Range` header
 * @param sizeBytes of the file
 * @returns malformed ranges, other units and lists of ranges are ignored, as RFC 9110 permits: `whole`
 */
export const chooseRange = (header: string | undefined, sizeBytes: number): RangeChoice => {
  const match = header === undefined ? null : singleRange.exec(header);
  const [, first = '', last = ''] = match ?? [];
  if (first === '' && last === '') return { kind: 'whole' };
  if (first === '') {
    const length = Math.min(Number(last), sizeBytes);
    return length === 0 ? { kind: 'unsatisfiable' } : { kind: 'part', range: { start: sizeBytes - length, end: sizeBytes - 1 } };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return { kind: 'whole' };
  if (start >= sizeBytes) return { kind: 'unsatisfiable' };
  return { kind: 'part', range: { start, end: last === '' ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1) } };
};
