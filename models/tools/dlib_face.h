// dlib's own face recognition: its frontal face detector, its five-point
// landmarks and its ResNet, as the package face_recognition_models carries the
// latter two. The yardstick that Eithergate's models are held against; nothing
// that runs at a gate uses it.
#pragma once

#include <array>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include <dlib/array2d.h>
#include <dlib/matrix.h>
#include <dlib/pixel.h>

using Picture = dlib::matrix<dlib::rgb_pixel>;
using Descriptor = std::array<float, 128>;

// Side of the crop the network looks at, and the margin around the face in it.
constexpr unsigned long CHIP_SIDE = 150;
constexpr double CHIP_PADDING = 0.25;

// JPEG or PNG, as its name says. Throws with the file's name if it can't be read.
Picture load_picture(const std::string& path);

// The face in a picture, turned upright and cut out.
class Cutter {
public:
    explicit Cutter(const std::string& five_points_dat);
    ~Cutter();

    // The largest face, or nothing if the detector finds none. The picture is
    // doubled before the search, as the face_recognition package does, so that
    // faces from 40 pixels up are found.
    std::optional<Picture> largest_face(const Picture& picture);

private:
    struct Parts;
    std::unique_ptr<Parts> parts;
};

class Network {
public:
    explicit Network(const std::string& resnet_dat);
    ~Network();

    // A chip of CHIP_SIDE x CHIP_SIDE to its 128 numbers.
    Descriptor describe(const Picture& chip);

    // Every layer and weight, as dlib's own XML.
    void write_xml(std::ostream& out);

private:
    struct Parts;
    std::unique_ptr<Parts> parts;
};
