/** What every surface tells of a file in the same fields. */

import type { FileFacts } from './ports.ts';

/** Size, type and digest as far as they are known; numbers as texts. Ocean Provider and Ocean Node: fileinfo. */
export const renderFileFacts = ({ contentLength, contentType, checksum }: FileFacts) => ({
  ...(contentLength !== null && { contentLength: String(contentLength) }),
  ...(contentType !== null && { contentType }),
  ...(checksum !== null && { checksum, checksumType: 'sha256' as const }),
});
