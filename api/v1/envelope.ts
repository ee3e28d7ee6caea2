/** Shape of a manifest's envelope: what the REST surface answers, and what `c2d verify` takes. */

import { z } from 'zod';
import { manifestPayloadType } from '../../workflows/contract/manifest.ts';

const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/);

export const envelope = z
  .strictObject({
    payload: base64.meta({ description: 'an in-toto Statement v1 as canonical JSON' }),
    payloadType: z.literal(manifestPayloadType),
    signatures: z.array(
      z.strictObject({
        keyid: z
          .string()
          .regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address')
          .meta({ description: 'address of the key that signed' }),
        sig: base64.meta({ description: 'r, s and v: ECDSA on secp256k1 over the SHA-256 of the DSSE encoding' }),
      }),
    ),
  })
  .meta({ id: 'Envelope', description: 'DSSE' });
