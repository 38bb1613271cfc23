// Name forms in a table → a lookup of people, so that the tests of dialogue need no register.
import type { PeopleLookup, PersonMention } from '../../src/dialogue/scene.js'

/** Forms by person, the first one nominative. */
const forms: Record<string, { gender: 'm' | 'f'; names: readonly string[] }> = {
  savva: { gender: 'm', names: ['Савва', 'Саввы', 'Савве', 'Савву', 'Саввой'] },
  timofey: { gender: 'm', names: ['Тимофей', 'Тимофея', 'Тимофею', 'Тимофеем', 'Тимофее'] },
  darya: { gender: 'f', names: ['Дарья', 'Дарьи', 'Дарье', 'Дарью', 'Дарьей'] },
  lukerya: { gender: 'f', names: ['Лукерья', 'Лукерьи', 'Лукерье', 'Лукерью', 'Лукерьей'] },
}

export const villagers: PeopleLookup = {
  find: text =>
    Object.entries(forms)
      .flatMap(([id, { names }]) =>
        names.flatMap((name, i) =>
          [...text.matchAll(new RegExp(`(?<!\\p{L})${name}(?!\\p{L})`, 'gu'))].map(({ index }): PersonMention => {
            return { id, start: index, end: index + name.length, ...(i === 0 && { case: 'nomn' }) }
          }),
        ),
      )
      .sort((a, b) => a.start - b.start),
  gender: id => forms[id]?.gender ?? 'unknown',
}
