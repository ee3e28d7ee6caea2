/** `Content-Disposition` as Ocean's clients parse it. */

const encodeCharacter = (char: string): string =>
  [...Buffer.from(char, 'utf8')].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('');

/**
 * Classic Provider API §9: `attachment;filename=<name>` without blank and quotes (clients match
 * `/attachment;filename=(.+)/`); every character outside `A-Za-z0-9._~%+@=,-` and every `..` is percent-encoded, so
 * that a name can neither end the header nor leave a folder.
 */
export const attachmentNamed = (filename: string): string => {
  const safe = filename
    .toWellFormed()
    .replaceAll(/[^A-Za-z0-9._~%+@=,-]/gu, encodeCharacter)
    .replaceAll('..', '%2E%2E');
  return `attachment;filename=${safe}`;
};
