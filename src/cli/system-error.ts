// Turns a failure of the operating system (no room, no permission) into a message a person can use.
import { AppError, type Text } from '../base/errors.js'

interface Explained {
  readonly what: Text
  readonly fix: Text
}

const noRoom: Explained = {
  what: { en: 'the disk is full', ru: 'на диске нет места' },
  fix: { en: 'Free some space and run the command again', ru: 'Освободите место и повторите команду' },
}
const noPermission: Explained = {
  what: { en: 'no permission', ru: 'нет прав доступа' },
  fix: { en: 'Check the owner and the permissions', ru: 'Проверьте владельца и права' },
}

/** By the code of Node's system errors. */
const explained: Readonly<Record<string, Explained>> = {
  ENOSPC: noRoom,
  EDQUOT: noRoom,
  EACCES: noPermission,
  EPERM: noPermission,
  EROFS: {
    what: { en: 'this place can only be read', ru: 'сюда нельзя писать: доступно только чтение' },
    fix: { en: 'Choose another folder', ru: 'Выберите другую папку' },
  },
  EMFILE: {
    what: { en: 'too many open files', ru: 'открыто слишком много файлов' },
    fix: {
      en: 'Close other programs or raise the limit (ulimit -n)',
      ru: 'Закройте программы или поднимите предел (ulimit -n)',
    },
  },
  ENOTDIR: {
    what: { en: 'a file stands where a folder is needed', ru: 'на месте папки стоит файл' },
    fix: { en: 'Check the path', ru: 'Проверьте путь' },
  },
  EISDIR: {
    what: { en: 'a folder stands where a file is needed', ru: 'на месте файла стоит папка' },
    fix: { en: 'Check the path', ru: 'Проверьте путь' },
  },
  ENAMETOOLONG: {
    what: { en: 'the name is too long for this disk', ru: 'имя слишком длинное для этого диска' },
    fix: { en: 'Choose a shorter name', ru: 'Выберите имя короче' },
  },
  ENOENT: {
    what: { en: 'there is no such file or folder', ru: 'такого файла или папки нет' },
    fix: { en: 'Check the path', ru: 'Проверьте путь' },
  },
}

/** The failure as AppError `system` (environment), or undefined when it is not one of these. */
export function explainSystemError(error: Error): AppError | undefined {
  const { code, path } = error as NodeJS.ErrnoException
  // The user knows the file, not the temporary name under which it is written first.
  const where = path?.replace(/\/\.lock$/u, '').replace(/\.([^/\\]+)\.\d+\.tmp$/u, '$1')
  const known = code === undefined ? undefined : explained[code]
  return known && new AppError('system', { ...known, where, kind: 'environment', cause: error })
}
