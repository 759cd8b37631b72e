-- Sends each chest film that arrives on to the reader; its results, which come back, are not films.
function OnStoredInstance(instanceId, tags, metadata, origin)
  local isFilm = tags['Modality'] == 'CR' or tags['Modality'] == 'DX'
  if isFilm and origin['RequestOrigin'] ~= 'Lua' then
    SendToModality(instanceId, 'reader')
  end
end
