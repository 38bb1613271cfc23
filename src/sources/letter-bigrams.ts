// Letter pairs of Russian prose, counted by tools/letter-bigrams.ts over public-domain novels of the 19th century.

/** Order of rows and columns: 0 is anything but a letter, then these (ё counts as е). */
export const bigramLetters = 'абвгдежзийклмнопрстуфхцчшщъыьэюя'

/** Row: the letter before; column: the letter; a base-36 digit is −4·ln P(letter | letter before), at most 35. */
export const bigramCosts: readonly string[] = [
  '5iebgdgjgczdhebcbgbdgpkofmvzzzjvi',
  '5zidieggcoib9ccyidbbrnhtihnzzzzie',
  'fbslzr8uwczkbng7zajwazovsrij6nzwd',
  '88xrsj8ziazlfnd7lgalgzssqgxyblzzk',
  'cbzqzbezzczlavg3zbpudzzzpwzzzzzzz',
  'd7sewq7stazifmb7ochkbzqirozrffzrh',
  '6ugeddfigpehac9mhabbqujkgijzzzzmn',
  'd8kzra4qz7ziqs9lzsovezztmzzzzlzvz',
  '94hbfbfkrezjgg8dzgpsfzzvoxzpehzre',
  '5pjdjfdldifdacbnmhcawuegfimzzzzlf',
  '1zzzzfzzzzzilmdqzzcfzzvnjizzzzzzz',
  '76zjzzgqv9ztfxf5zckhbzzuyvzzzzzzz',
  '87sqmr9jx7zjovj8qzeqdzzzmyzzg9zed',
  '59rzrz8zz9zmksb8mokvayzrpzvzenzzh',
  'b6zxsl7yv8zlzzc7zqjkduzlmxnzbfzne',
  '6xdaccfgiidgbcbphbbbtplsgipzzzvjk',
  'obzzzz9zzdzlezm4s5tmezzspvyzinzzh',
  'f7miji7kq8zjnlg6nwjhbpnnokuzdfzlf',
  'bdqdvlavydzabggcdmh6gxmrjrztjbzna',
  '99wcxn9zzbziltg6pcfqfzxonzwwe9zpi',
  '5rffcaibiskedcixefcbzrgwddizzzydo',
  'a7zzyz6zz6zufon9z9midmzzsvzzjfztq',
  '3azfxykzzezzflf5zgmnfzzzztzyzzxzz',
  '85zgzz5zzczeqqzbzzzzbzzvzzzzatzvy',
  'd7zvzz6zz8zepuckzoz6czzzzjzzzgzzz',
  'h8zkzz5zz7zabpcepzzhcmzzzzzzzazzz',
  'k7zzzz3zz5zzzzgozpzzdzzzzzzzzizzz',
  'ruzvzs4zzuzuzzxzzzvxxzzxzzzzzzzd2',
  '5zhbkjbqnv9h9afzjhdduzbsheszzzzzx',
  '2zkpkkezjkzazhbvzzbkzuzlnfuzzzzfe',
  'lzrpmnzzozlfimkzmpn0zpkzzuzzzzzzz',
  '2zazsbwoqzzokjizxifazvotghdzzzzlz',
  '2zpgjekigomhdgdzqjfazzinksizzzzll',
]
