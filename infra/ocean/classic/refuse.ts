/** How the checks of a classic request end early. */

/** A refusal by a rule: which part of the request, and the code that clients know. */
export class CodedRefusal extends Error {
  readonly resource: string;
  readonly code: string;

  constructor(resource: string, code: string) {
    super(`${resource}: ${code}`);
    this.name = 'CodedRefusal';
    this.resource = resource;
    this.code = code;
  }
}

export const refuse = (resource: string, code: string): never => {
  throw new CodedRefusal(resource, code);
};

/** `refused` carries what clients read as `{"error": {resource: code}}`. */
export type Coded<Good> =
  { readonly kind: 'good'; readonly value: Good } | { readonly kind: 'refused'; readonly resource: string; readonly code: string };

/** The outcome of checks; everything else that they throw is thrown on. */
export const settleCoded = async <Good>(checks: () => Promise<Good>): Promise<Coded<Good>> => {
  try {
    return { kind: 'good', value: await checks() };
  } catch (err) {
    if (err instanceof CodedRefusal) return { kind: 'refused', resource: err.resource, code: err.code };
    throw err;
  }
};
