/** Configuration keys of the result store. */

import { z } from 'zod';

export const storageKeys = {
  /** folder for results; all processes must see the same one */
  C2D_STORAGE_FOLDER: z.string().min(1),
};
