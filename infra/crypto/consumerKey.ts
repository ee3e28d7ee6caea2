/** Names a consumer where an address must not appear. */

import { createHash } from 'node:crypto';

/** The same for every spelling of an address. */
export const consumerKeyOf = (address: string): string =>
  createHash('sha256').update(`consumer/${address.toLowerCase()}`).digest('hex').slice(0, 16);
