/** Credentials for registries, in the forms that runtimes take. Pure. */

import type { RegistryCredentials } from '../../workflows/contract/spec.ts';

/** As Docker's own client tells registries apart: the part before the first slash, if it looks like a host. */
export const registryOf = (image: string): string => {
  const [first = '', ...rest] = image.split('/');
  return rest.length > 0 && /[.:]|^localhost$/.test(first) ? first : 'https://index.docker.io/v1/';
};

/** A `config.json` of Docker's client with the credentials for the registry of `image`, and for no other. */
export const dockerConfigOf = (image: string, { username, password }: RegistryCredentials): string => {
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  return JSON.stringify({ auths: { [registryOf(image)]: { username, password, auth } } });
};
