/** What a person gave that cannot be used: a file, an option. Its message is the whole story. */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** What went wrong with a file, in the words of a person. */
export function fileError(path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  switch (code) {
    case "ENOENT":
      return new InputError(`${path}: there is no such file or folder`);
    case "EISDIR":
      return new InputError(`${path}: this is a folder, not a file`);
    case "EACCES":
    case "EPERM":
      return new InputError(`${path}: it may not be read or written`);
    default:
      return error;
  }
}
